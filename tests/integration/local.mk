# Whole runs against the lab: TESTS += tests/integration/x.sh
