# Inputs that are known only after the apply must not decide how many resources there are ("Invalid count argument").
mock_provider "aws" {
  source = "./tests/mocks"
}

run "inputs_that_are_unknown_at_plan_time_can_be_planned" {
  command = plan

  module {
    source = "./tests/unknown"
  }
}
