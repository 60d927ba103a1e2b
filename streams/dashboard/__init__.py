"""The dashboard: pages for people, on the port of the gateway, of what the API tells programs.

Everything can be read and done without JavaScript; scripts only keep open pages up to date.
"""
