# Every command for people; `make help` lists them. ENV=staging|prod, LOCAL=1 for localaws, ARGS="…" for the script.
SHELL := /bin/bash
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: setup demo check test test-all lint fmt docs compatibility site bench clean help \
	local-up local-down local-reset local-env local-logs \
	bootstrap init plan apply destroy output log-run sweep pipeline promote image deploy batch-predict validate monitor server prove smoke doctor cost clean-up \
	upgrade retire backup restore

# Many containers set it. Python would then never store compiled modules in .venv, and each start of MLflow would take
# five seconds longer.
unexport PYTHONDONTWRITEBYTECODE

ENV ?= staging
MODEL ?= iris
ALIAS ?= champion
ARGS ?=
# Values that users set reach the commands through the environment, and recipes write "$$NAME", so that the shell does
# not evaluate them. `override` and `value` keep make from expanding $(…) in them.
SETTINGS := ENV LOCAL ARGS MODEL ALIAS METRIC DATA TO FROM BACK VERSION ARCHIVE CONFIRM AUTO_APPROVE PYTHON TF_PROVIDER_MIRROR
given = $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
# A misspelt LOCAL=1 would be ignored, and the command would work on AWS. Names with `_` belong to other programs, and a
# make that calls this one passes on its own variables.
unknown := $(strip $(foreach name,$(filter-out $(SETTINGS),$(given)),$(if $(findstring _,$(name)),,$(name))))
$(if $(and $(unknown),$(filter 0,$(MAKELEVEL))),$(error there is no variable $(firstword $(unknown)): use one of $(SETTINGS)))
DEFINED := $(foreach name,$(sort $(given) $(SETTINGS)),$(if $(filter undefined,$(origin $(name))),,$(name)))
$(foreach name,$(DEFINED),$(eval override $(name) := $$(value $(name))))
export $(DEFINED)

# Validate the switches here, once, so that no command can reach AWS by mistake.
define newline


endef
tab := $(subst x,,x	x)
blank := $(subst x,,x x)
one_word = $(subst $(tab),_,$(subst $(blank),_,$(subst $(newline),_,$(value $(1)))))
switch = $(if $(filter-out [] [1],[$(one_word)]),$(error $(1) takes 1$(2) or nothing$(3), not "$(one_word)"))
$(call switch,LOCAL, for localaws, for AWS)
$(call switch,AUTO_APPROVE)
$(call switch,BACK)

BIN := .venv/bin
READY := .venv/.ready
# Replaces {ARGS} in a command by the words of ARGS, without evaluating them.
WITH_ARGS := $(BIN)/python -I scripts/lib/with_args.py
SCRIPT := $(WITH_ARGS) $(BIN)/python
FLAGS := --env="$$ENV" $${LOCAL:+--local} {ARGS}
TERRAFORM := $(WITH_ARGS) scripts/terraform.sh "$$ENV"
ENDPOINT_MODEL := "models:/$$MODEL@$$ALIAS"
need = [[ -n "$${$(1)}" ]] || { echo 'error: $(1) is missing: $(2)' >&2; exit 2; }

##@ Start here
setup: $(READY) ## Create .venv and the MLflow server's environment, and find the Terraform provider
	@:

$(READY): requirements.lock pyproject.toml scripts/setup.sh localaws/servers/mlflow-3.0.lock
	@scripts/setup.sh
	@touch $@

demo: setup ## Run everything on localaws: apply, train, register, deploy, predict, compare
	@$(SCRIPT) scripts/demo.py {ARGS}

check: setup ## Lint, check types and run the unit tests (no servers; a minute and a half)
	@$(WITH_ARGS) scripts/check.sh {ARGS}

test: setup ## Run make check and the tests of Terraform, localaws and the scripts together (about ten minutes)
	@$(WITH_ARGS) scripts/test.sh {ARGS}

test-all: setup ## Run make test and what else runs every night: kills, faults, upgrades, deliveries
	@$(WITH_ARGS) scripts/test.sh --all {ARGS}

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {gsub(/\$$\$$/, "$$"); printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n%s\n%s\n%s\n' 'Variables: ENV=staging|prod (staging), LOCAL=1 (localaws instead of AWS), ARGS="…" (options for the script),' \
		'MODEL (iris), ALIAS (champion), AUTO_APPROVE=1 (apply and destroy without a question),' \
		'CONFIRM=NAME,NAME (tracking servers, buckets and keys that apply and destroy may delete).'

##@ An environment (ENV=staging|prod, LOCAL=1 for localaws)
bootstrap: setup ## Create the bucket for Terraform states (once for all environments; not on localaws)
	@[[ -z "$$LOCAL" ]] || { echo 'error: bootstrap works only on AWS: with LOCAL=1 the state is a file on this machine, so continue with make apply LOCAL=1' >&2; exit 2; }
	@$(SCRIPT) scripts/bootstrap.py {ARGS}

init: setup ## Initialise Terraform
	@$(TERRAFORM) init {ARGS}

plan: setup ## Show what Terraform would change and its monthly cost
	@$(TERRAFORM) plan {ARGS}

apply: setup ## Plan, show the plan, ask, apply exactly that plan
	@$(TERRAFORM) apply {ARGS}

destroy: setup ## Count what would be lost, ask, destroy the environment
	@$(TERRAFORM) destroy {ARGS}

output: setup ## Print the outputs (ARGS="-raw mlflow_tracking_uri" for one)
	@$(TERRAFORM) output {ARGS}

log-run: setup ## Train, log and register MODEL, and set ALIAS
	@$(SCRIPT) scripts/log_run.py --dataset="$$MODEL" --register="$$MODEL" --alias="$$ALIAS" $(FLAGS)

image: setup ## Build the serving image of MODEL@ALIAS, unless the repository has it
	@$(SCRIPT) scripts/build_image.py $(FLAGS) -- $(ENDPOINT_MODEL)

sweep: setup ## Search for the best parameters of MODEL's data set (ARGS="--strategy bayesian --trials 50")
	@$(SCRIPT) scripts/sweep.py --dataset="$$MODEL" $(FLAGS)

pipeline: setup ## Train, evaluate and register MODEL with a SageMaker pipeline (ARGS="--threshold 0.9")
	@$(SCRIPT) scripts/run_pipeline.py --data="$$MODEL" $(FLAGS)

promote: setup ## Make the best run of experiment MODEL by METRIC its ALIAS, if it beats the current one (METRIC=accuracy)
	@$(call need,METRIC,the logged metric that ranks the runs (make promote METRIC=accuracy))
	@$(SCRIPT) scripts/promote.py --metric="$$METRIC" --register="$$MODEL" --alias="$$ALIAS" $(FLAGS) -- "$$MODEL"

deploy: setup ## Deploy MODEL@ALIAS to its endpoint
	@$(SCRIPT) scripts/deploy_model.py $(FLAGS) -- $(ENDPOINT_MODEL)

batch-predict: setup ## Predict the rows of DATA with MODEL@ALIAS, in a transform job (DATA=rows.csv)
	@$(call need,DATA,a file or s3://BUCKET/PREFIX/ with the rows to predict (make batch-predict DATA=rows.csv))
	@$(SCRIPT) scripts/batch_predict.py $(FLAGS) -- $(ENDPOINT_MODEL) "$$DATA"

validate: setup ## Compare the endpoint's predictions with the true values
	@$(SCRIPT) scripts/validate_endpoint.py $(FLAGS) -- $(ENDPOINT_MODEL)

monitor: setup ## run, status, truth or report of the endpoints that capture data (ARGS=status)
	@ARGS="$${ARGS:-status}" $(SCRIPT) scripts/monitor.py {ARGS} --env="$$ENV" $${LOCAL:+--local}

server: setup ## status, start, stop or ui of the tracking server (ARGS=status)
	@ARGS="$${ARGS:-status}" $(SCRIPT) scripts/server.py {ARGS} --env="$$ENV" $${LOCAL:+--local}

doctor: setup ## Check whether the environment works, and show how to repair what does not
	@$(SCRIPT) scripts/doctor.py $(FLAGS)

cost: setup ## Show what the environment costs this month and next (ARGS="--prices FILE" for your own prices)
	@$(SCRIPT) scripts/cost.py $(FLAGS)

clean-up: setup ## Show what the environment no longer needs (ARGS="--older-than 30"; ARGS=--yes deletes it)
	@$(SCRIPT) scripts/clean_up.py $(FLAGS)

upgrade: setup ## Move to MLflow version TO without losing data (FROM=VERSION; BACK=1 switches back)
	@$(call need,TO,the MLflow version to move to (make upgrade TO=3.0))
	@command=run; [[ -z "$$BACK" ]] || command=back; \
		$(SCRIPT) scripts/upgrade.py $$command --to="$$TO" $${FROM:+--from="$$FROM"} $(FLAGS)

retire: setup ## Delete the old server of MLflow version VERSION after a last check (CONFIRM=SERVER)
	@$(call need,VERSION,the MLflow version of the server to delete (make retire VERSION=2.16))
	@$(SCRIPT) scripts/upgrade.py retire --version="$$VERSION" $(FLAGS)

backup: setup ## Back up the server into ARCHIVE, or where the nightly backups are (ARGS="--keep 30")
	@archive="$$ARCHIVE"; [[ -n "$$archive" ]] || \
		archive="$$($(BIN)/python scripts/server.py archive --env="$$ENV" $${LOCAL:+--local})" || exit; \
		$(SCRIPT) scripts/transfer.py backup $${LOCAL:+--local} {ARGS} -- "env:$$ENV" "$$archive"

restore: setup ## Restore ARCHIVE into the environment's server, which should be empty (ARGS="--snapshot TIME")
	@$(call need,ARCHIVE,the archive to restore (make restore ARCHIVE=s3://BUCKET/backups/SERVER))
	@$(SCRIPT) scripts/transfer.py restore $${LOCAL:+--local} {ARGS} -- "$$ARCHIVE" "env:$$ENV"

prove: setup ## Prove on AWS what localaws cannot: apply a throw-away copy of ENV, check it, destroy it (under 5 USD)
	@$(SCRIPT) scripts/prove.py $(FLAGS)

smoke: setup ## Run the smoke tests against a deployed environment
	@SMOKE_ENV="$$ENV" SMOKE_LOCAL="$$LOCAL" $(WITH_ARGS) $(BIN)/pytest --all tests/e2e/smoke {ARGS}

##@ localaws, the local AWS
local-up: setup ## Start it, with everything that it held before
	@$(BIN)/python -m localaws status 2>/dev/null || $(BIN)/python -m localaws up

local-down: setup ## Stop it and every process it started; what it holds is kept
	@$(BIN)/python -m localaws down

local-reset: setup ## Stop it and delete everything that it holds
	@$(BIN)/python -m localaws reset

local-env: setup ## Print the variables that point AWS clients to it: eval "$$(make -s local-env)"
	@$(BIN)/python -m localaws env

local-logs: setup ## Print the end of its log
	@$(BIN)/python -m localaws logs

##@ Work on this repository
lint: setup ## Run every static check: Python, shell, workflows, secrets, Terraform, plans, policies
	@scripts/lint.sh

fmt: setup ## Format Python and Terraform
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix . && terraform fmt -recursive

docs: setup ## Update the generated tables of inputs and outputs
	@$(BIN)/python scripts/docs.py

compatibility: setup ## Measure which MLflow clients work with which servers, on the localaws that runs (minutes)
	@$(SCRIPT) scripts/compatibility.py {ARGS}

site: setup ## Build the documentation as a website, and check its links
	@$(SCRIPT) scripts/site.py {ARGS}

bench: setup ## Measure, each figure beside a peer's in the same run
	@missed=; for name in scripts planning gateway sweep pipelines serving deploying transfer; do \
		$(SCRIPT) -m "bench.$$name" {ARGS} || missed="$$missed $$name"; done; \
		[[ -z "$$missed" ]] || { echo "error: these benchmarks failed or missed a target:$$missed" >&2; exit 1; }

clean: ## Stop localaws and delete everything that setup and runs created
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m localaws down
	@rm -rf .venv .cache .localaws reports training/{prepared,tuned,model,report}
	@for each in mlflow.db mlruns; do \
		[[ ! -e "$$each" ]] || echo "kept $$each: runs that MLflow recorded without a server. Delete it if you do not need them."; done
