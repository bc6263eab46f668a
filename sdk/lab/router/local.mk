sdk_lab_isthmus_lab_SOURCES += %D%/router.c %D%/router.h %D%/device.h %D%/rules.c %D%/grammar.c %D%/config.c %D%/standing.c \
	%D%/session.c %D%/typing.c %D%/help.c %D%/exec.c %D%/show.c %D%/system.c %D%/tunnel.c %D%/routes.c %D%/acl.c %D%/sshd.c
