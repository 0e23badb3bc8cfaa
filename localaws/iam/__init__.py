"""IAM: which permissions each API call requires, and whether the policies allow them.

`evaluate` is a pure function of a request and policies. `required_permissions` derives IAM actions and resources from a
call. `moto_policy_store` reads the policies from moto. `guard` connects them for every call.
"""
