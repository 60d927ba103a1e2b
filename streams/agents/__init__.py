"""The Faust agents: bytes in, decode, hand to the runtime, acknowledge. No policy in here."""
