"""From a catalog and a service to a plan, and from a plan to what became of it.

`survey` reads a service into a `live.Live`; `plan` compares that with the catalog and is pure; `apply`
carries a plan out; `outcome` says what became of each step.
"""
