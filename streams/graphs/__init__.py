"""The steps of a workflow as a graph, read from its source; nothing of it is run."""
