"""Which calls a fault strikes, and what a wrong one is told."""

import pytest

from localaws.call import Call
from localaws.front.faults import Fault, Faults


def call(operation="CreateEndpoint", service="sagemaker", resource="*"):
    return Call("POST", "/", "/", "", {}, b"", service=service, operation=operation, resource=resource)


def test_a_fault_strikes_as_often_as_it_says():
    faults = Faults()
    faults.add(Fault("sagemaker:CreateEndpoint", times=2, error="ThrottlingException"))
    assert [bool(faults.take(call())) for _ in range(3)] == [True, True, False]
    assert faults.list() == []


def test_a_fault_strikes_each_operation_as_often_as_it_says():
    faults = Faults()
    faults.add(Fault("sagemaker:*", each="operation", error="ThrottlingException"))
    faults.add(Fault("sagemaker:*", each="operation", error="InternalFailure"))
    calls = [call("CreateEndpoint"), call("CreateModel"), call("CreateModel"), call("CreateModel"), call()]
    struck = [fault.error if fault else "" for fault in map(faults.take, calls)]
    assert struck == ["ThrottlingException", "ThrottlingException", "InternalFailure", "", "InternalFailure"]


def test_a_fault_strikes_each_operation_on_each_resource():
    faults = Faults()
    faults.add(Fault("sagemaker:*", each="resource", lost=True))
    calls = [call(resource="mine"), call(resource="mine"), call(resource="yours"), call("CreateModel", resource="mine")]
    assert [bool(faults.take(each)) for each in calls] == [True, False, True, True]
    assert [fault["struck"] for fault in faults.list()] == [3]


def test_a_fault_spares_other_operations_services_and_resources():
    faults = Faults()
    faults.add(Fault("sagemaker:Create*", error="X", resource="mine*"))
    assert not faults.take(call("DeleteEndpoint", resource="mine"))
    assert not faults.take(call(service="s3", resource="mine"))
    assert not faults.take(call(resource="yours"))
    assert faults.take(call(resource="mine-too"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "operation"),
        ({"operation": "s3:GetObject"}, "Name an effect"),
        ({"operation": "s3:GetObject", "eror": "X"}, "Unknown: eror"),
        ({"operation": "s3:GetObject", "error": "X", "times": "2"}, '"times" takes a int'),
        ({"operation": "s3:GetObject", "error": "X", "drop": 1}, '"drop" takes a bool'),
        ({"operation": "s3:GetObject", "error": "X", "each": "call"}, '"each" takes "operation" or "resource"'),
    ],
)
def test_a_wrong_fault_is_refused_with_what_is_wrong(given, told):
    with pytest.raises(ValueError, match=told):
        Fault.parse(given)
