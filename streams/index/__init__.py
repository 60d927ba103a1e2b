"""Searchable stores of documents and vectors, behind the `VectorIndex` port. See README.md."""
