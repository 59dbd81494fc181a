"""The speed of this machine: its read bandwidth, and the share of it that fastgd reaches."""
