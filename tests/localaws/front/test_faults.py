"""Fault injection: the calls that a fault affects, and the validation of faults."""

import pytest

from localaws.call import Call
from localaws.front.faults import Fault, Faults


def call(operation="CreateEndpoint", service="sagemaker", resource="*"):
    return Call("POST", "/", "/", "", {}, b"", service=service, operation=operation, resource=resource)


def test_a_fault_affects_the_given_number_of_calls():
    faults = Faults()
    faults.add(Fault("sagemaker:CreateEndpoint", times=2, error="ThrottlingException"))
    assert [bool(faults.take(call())) for _ in range(3)] == [True, True, False]
    assert faults.list() == []


def test_a_fault_counts_calls_for_each_operation():
    faults = Faults()
    faults.add(Fault("sagemaker:*", each="operation", error="ThrottlingException"))
    faults.add(Fault("sagemaker:*", each="operation", error="InternalFailure"))
    calls = [call("CreateEndpoint"), call("CreateModel"), call("CreateModel"), call("CreateModel"), call()]
    struck = [fault.error if fault else "" for fault in map(faults.take, calls)]
    assert struck == ["ThrottlingException", "ThrottlingException", "InternalFailure", "", "InternalFailure"]


def test_a_fault_counts_calls_for_each_operation_and_resource():
    faults = Faults()
    faults.add(Fault("sagemaker:*", each="resource", lost=True))
    calls = [call(resource="mine"), call(resource="mine"), call(resource="yours"), call("CreateModel", resource="mine")]
    assert [bool(faults.take(each)) for each in calls] == [True, False, True, True]
    assert [fault["struck"] for fault in faults.list()] == [3]


def test_a_fault_does_not_affect_other_operations_services_and_resources():
    faults = Faults()
    faults.add(Fault("sagemaker:Create*", error="X", resource="mine*"))
    assert not faults.take(call("DeleteEndpoint", resource="mine"))
    assert not faults.take(call(service="s3", resource="mine"))
    assert not faults.take(call(resource="yours"))
    assert faults.take(call(resource="mine-too"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "operation"),
        ({"operation": "s3:GetObject"}, "Name an effect"),
        ({"operation": "s3:GetObject", "eror": "X"}, "Unknown: eror"),
        ({"operation": "s3:GetObject", "error": "X", "times": "2"}, '"times" takes a int'),
        ({"operation": "s3:GetObject", "error": "X", "drop": 1}, '"drop" takes a bool'),
        ({"operation": "s3:GetObject", "error": "X", "each": "call"}, '"each" takes "operation" or "resource"'),
        ({"operation": "s3:GetObject", "error": "X\r\ny: z"}, '"error" takes a code'),
        ({"operation": "s3:GetObject", "error": "é"}, '"error" takes a code'),
        ({"operation": "s3:GetObject", "error": "X", "status": 99}, '"status" is 200 to 599'),
        ({"operation": "s3:GetObject", "error": "X", "times": 0}, '"times" 1 or more'),
        ({"operation": "s3:GetObject", "delay": float("inf")}, '"delay" 0 to'),
        ({"operation": "s3:GetObject", "delay": float("nan")}, '"delay" 0 to'),
        ({"operation": "s3:GetObject", "delay": -1}, '"delay" 0 to'),
    ],
)
def test_rejects_invalid_faults_with_the_reason(given, message):
    with pytest.raises(ValueError, match=message):
        Fault.parse(given)
