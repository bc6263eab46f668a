# Clients of other makers at the lab's router.
EXTRA_DIST += %D%/get-ansible.sh %D%/ansible-lib.sh
REAL_TESTS += %D%/ansible.sh
