// Opens pages of MLflow's UI in Chromium, waits until each shows what it should, and saves a screenshot of it.
// Input (JSON on stdin): link, chromium, folder, seconds, pages: [{path, texts, selector, shot}]. Output (JSON): the pages' results.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";

const given = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({
  executablePath: given.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--no-proxy-server", "--disable-dev-shm-usage"],
});
const results = [];
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 720 } });
  page.setDefaultTimeout(given.seconds * 1000);
  const first = await page.goto(given.link, { waitUntil: "domcontentloaded" });
  const start = page.url().split("#")[0];
  results.push({ status: first.status(), url: start });
  for (const { path, texts, selector, shot } of given.pages) {
    // The part after # alone does not load a page again: the UI reads it and shows another one.
    await page.goto(`${start}#${path}`, { waitUntil: "domcontentloaded" });
    for (const text of texts) await page.getByText(text, { exact: false }).locator("visible=true").first().waitFor();
    if (selector) await page.locator(selector).locator("visible=true").first().waitFor();
    if (shot) {
      await page.waitForLoadState("networkidle");
      await page.screenshot({ path: `${given.folder}/${shot}` });
    }
    results.push({ path, title: await page.title() });
  }
  // The link opens once: a browser without this one's cookies gets nothing.
  const stranger = await browser.newContext();
  const again = await (await stranger.newPage()).goto(given.link);
  results.push({ again: again.status() });
} finally {
  await browser.close();
}
console.log(JSON.stringify(results));
