"""The catalog file: what an entry is, reading it with every problem at once, and whom a WHO means.

Offers `load_catalog`, the types `Catalog` and `Persona`, and the catalog's JSON Schema.
"""
