# Inputs that are known only after the apply must not decide how many resources there are ("Invalid count argument").
mock_provider "aws" {
  source = "./tests/mocks"
}

run "values_that_are_known_after_the_apply_can_be_planned" {
  command = plan

  module {
    source = "./tests/unknown"
  }
}
