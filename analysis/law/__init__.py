"""The law of the optimum batch size: its exponents, tests, rivals, and what it predicts."""
