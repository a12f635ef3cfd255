"""The tests on Pythons that this machine does not have: those of Debian's next release."""
