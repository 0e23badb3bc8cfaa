// Reads a JSON array of simulations on standard input; writes the array of their results on standard output.
import { text } from "node:stream/consumers";
import { runSimulation } from "@cloud-copilot/iam-simulate";

const results = [];
for (const simulation of JSON.parse(await text(process.stdin))) {
  const answer = await runSimulation(simulation, {});
  results.push(answer.resultType === "error" ? { error: answer.errors } : { result: answer.overallResult });
}
process.stdout.write(JSON.stringify(results));
