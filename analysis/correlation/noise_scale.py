"""Which variable: the ratio B/eps, or the noise scale g = eps N / (B (1 - m))?"""
