"""Records, codecs and topic facts: what crosses a wire or is stored. Imports nothing of ours."""
