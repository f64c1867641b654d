"""Many runs side by side: what a study is to train, where its trials run, and the page and index that they leave."""
