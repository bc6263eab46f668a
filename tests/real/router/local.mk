# Clients of other makers at the lab's router.
EXTRA_DIST += %D%/get-ansible.sh
REAL_TESTS += %D%/ansible.sh
