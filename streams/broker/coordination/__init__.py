"""Groups and transactions: state machines that get the time as an argument and do no I/O."""
