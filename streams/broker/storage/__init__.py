"""Files: partition logs of verbatim record batches, and the journal of everything else."""
