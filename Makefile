# Every verb a person types; `make help` lists them. ENV=staging|prod, LOCAL=1 for localaws, ARGS="…" for the script.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: setup demo test lint fmt docs bench clean help \
	local-up local-down local-env local-logs \
	bootstrap init plan apply destroy output log-run deploy validate server smoke \
	upgrade retire backup restore

# Set in many containers: then nothing of .venv would ever be compiled, and each start of MLflow take five seconds more.
unexport PYTHONDONTWRITEBYTECODE

ENV ?= staging
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready
# Scripts take --local where make takes LOCAL=1.
SCRIPT_FLAGS = --env $(ENV) $(if $(LOCAL),--local) $(ARGS)
TERRAFORM = LOCAL=$(LOCAL) AUTO_APPROVE=$(AUTO_APPROVE) scripts/terraform.sh $(ENV)
MODEL ?= iris
ALIAS ?= champion
ENDPOINT_MODEL = models:/$(MODEL)@$(ALIAS)

# Here and not in each verb: what one took for localaws, another would do to AWS.
$(if $(filter-out |1 |,|$(LOCAL)),$(error LOCAL takes 1 for localaws or nothing for AWS, not "$(LOCAL)"))

##@ Start here
setup: $(READY) ## Make .venv, the MLflow server's environment, and find the Terraform provider
	@:

$(READY): requirements.lock pyproject.toml scripts/setup.sh localaws/servers/mlflow-3.0.lock
	@scripts/setup.sh
	@touch $@

demo: setup ## Run the whole road on localaws: apply, log, register, deploy, predict, compare
	@$(BIN)/python scripts/demo.py $(ARGS)

test: setup ## Run every check: lint, Terraform tests, unit, plan, localaws, smoke (under ten minutes)
	@scripts/test.sh $(ARGS)

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {gsub(/\$$\$$/, "$$"); printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n%s\n%s\n' 'Variables: ENV=staging|prod (staging), LOCAL=1 (localaws instead of AWS), ARGS="…" (for the script),' \
		'MODEL (iris), ALIAS (champion), AUTO_APPROVE=1 (apply and destroy without asking),' \
		'CONFIRM=NAME,NAME (tracking servers, buckets and keys that apply and destroy may lose).'

##@ An environment (ENV=staging|prod, LOCAL=1 for localaws)
bootstrap: setup ## Make the bucket for Terraform's states, or find it (once for all environments, not on localaws)
	@$(BIN)/python scripts/bootstrap.py $(ARGS)

init: setup ## Initialise Terraform
	@$(TERRAFORM) init $(ARGS)

plan: setup ## Show what Terraform would change and what that costs a month
	@$(TERRAFORM) plan $(ARGS)

apply: setup ## Plan, show, ask, apply the saved plan
	@$(TERRAFORM) apply $(ARGS)

destroy: setup ## Count what would be lost, ask, destroy the environment
	@$(TERRAFORM) destroy $(ARGS)

output: setup ## Print the outputs (ARGS="-raw mlflow_tracking_uri" for one)
	@$(TERRAFORM) output $(ARGS)

log-run: setup ## Train, log, register MODEL and set ALIAS
	@$(BIN)/python scripts/log_run.py --dataset $(MODEL) --register $(MODEL) --alias $(ALIAS) $(SCRIPT_FLAGS)

deploy: setup ## Deploy MODEL@ALIAS to its endpoint
	@$(BIN)/python scripts/deploy_model.py $(ENDPOINT_MODEL) $(SCRIPT_FLAGS)

validate: setup ## Compare the endpoint's answers with the truth
	@$(BIN)/python scripts/validate_endpoint.py $(ENDPOINT_MODEL) $(SCRIPT_FLAGS)

server: setup ## status, start, stop or ui of the tracking server (ARGS=status)
	@$(BIN)/python scripts/server.py $(or $(ARGS),status) --env $(ENV) $(if $(LOCAL),--local)

upgrade: setup ## Move to MLflow version TO with nothing lost (FROM=VERSION; BACK=1 only switches back)
	@$(BIN)/python scripts/upgrade.py $(if $(BACK),back,run) --to "$(TO)" $(if $(FROM),--from "$(FROM)") $(SCRIPT_FLAGS)

retire: setup ## Delete the old server of MLflow version VERSION, verified before (CONFIRM=SERVER)
	@$(BIN)/python scripts/upgrade.py retire --version "$(VERSION)" $(SCRIPT_FLAGS)

backup: setup ## Back the server up into ARCHIVE, or where the nightly backups lie (ARGS="--keep 30")
	@archive="$(ARCHIVE)" && \
		archive="$${archive:-$$($(BIN)/python scripts/server.py archive --env $(ENV) $(if $(LOCAL),--local))}" && \
		$(BIN)/python scripts/transfer.py backup env:$(ENV) "$$archive" $(if $(LOCAL),--local) $(ARGS)

restore: setup ## Restore ARCHIVE into the environment's server, which should be empty (ARGS="--snapshot TIME")
	@$(BIN)/python scripts/transfer.py restore "$(ARCHIVE)" env:$(ENV) $(if $(LOCAL),--local) $(ARGS)

smoke: setup ## Run the smoke tests against an environment that is up
	@SMOKE_ENV=$(ENV) SMOKE_LOCAL=$(LOCAL) $(BIN)/pytest tests/e2e/smoke $(ARGS)

##@ localaws, the AWS on this machine
local-up: setup ## Start it
	@$(BIN)/python -m localaws status 2>/dev/null || $(BIN)/python -m localaws up

local-down: setup ## Stop it and every process it started
	@$(BIN)/python -m localaws down

local-env: setup ## Print the variables that lead AWS clients to it: eval "$$(make -s local-env)"
	@$(BIN)/python -m localaws env

local-logs: setup ## Print the end of its log
	@$(BIN)/python -m localaws logs

##@ Work on this repository
lint: setup ## Run every static check: Python, shell, workflows, secrets, Terraform, plans, policies
	@scripts/lint.sh

fmt: setup ## Format Python and Terraform
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix . && terraform fmt -recursive

docs: setup ## Write the modules' tables of inputs and outputs
	@$(BIN)/python scripts/docs.py

bench: setup ## Measure, each against a peer in the same run
	@for name in scripts planning gateway transfer; do $(BIN)/python -m "bench.$$name" $(ARGS) || exit 1; done

clean: ## Stop localaws and delete what setup and runs made
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m localaws down
	@rm -rf .venv .cache .localaws reports
