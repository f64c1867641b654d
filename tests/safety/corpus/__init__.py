"""Every bad file that docs/safety.md makes a promise about, made from one good model."""
