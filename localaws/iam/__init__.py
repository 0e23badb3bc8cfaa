"""Who may do what: a policy evaluator, what each API call needs, and the guard that asks the one about the other.

`evaluate` is a pure function of a request and policies. `needs` says which IAM actions on which resources a call
stands for. `standing` reads the policies out of moto. `guard` joins them at localaws's front.
"""
