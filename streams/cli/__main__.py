"""`python -m stepwell.streams.cli`, for parts that are started without a script on the path."""

from stepwell.streams.cli import main

main()
