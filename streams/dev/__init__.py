"""`stepwell dev`: everything on one machine, as supervised processes over one folder of data."""
