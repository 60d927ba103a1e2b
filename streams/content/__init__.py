"""Where the text of a document comes from: its event, or the service that it is about."""
