"""The catalog file: its models, reading it with every problem at once, and whom a WHO means.

Offers `load_catalog`, the models `Catalog`, `Persona` and `Space`, and the catalog's JSON Schema. Where a
value stands in the file is told by `catalog.locate`; `mistakes` and `wording` say what is wrong with it.
"""
