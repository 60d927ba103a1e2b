"""What operators ask and tell, by command line or over HTTP: one module for each matter.

Here settings become connections; `streams/app.py` lists what there is.
"""
