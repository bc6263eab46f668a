# libisthmus: ssh
sdk_lib_libisthmus_la_SOURCES += %D%/ssh.c %D%/exec.c %D%/key.c %D%/login.c %D%/known_hosts.c %D%/algorithms.c %D%/ssh_internal.h
