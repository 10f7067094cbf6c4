"""How fast sweeps are, side by side with what they would be written in otherwise."""
