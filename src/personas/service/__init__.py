"""The client of an auth service: its calls, as methods that answer with types.

`endpoints` has `AuthService`, which is what other rooms use; `models` says what a service answers. Only
`transport` knows the HTTP client, and only this room knows a path, a status or a header.
"""
