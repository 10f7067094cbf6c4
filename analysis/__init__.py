"""The program that reads results. It imports neither ray nor torch."""
