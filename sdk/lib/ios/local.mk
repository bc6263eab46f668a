# libisthmus: ios
sdk_lib_libisthmus_la_SOURCES += %D%/stream.c %D%/session.c %D%/burst.c %D%/change.c %D%/internal.h %D%/config.c %D%/diff.c \
	%D%/rules.c %D%/tree.h %D%/words.c %D%/words.h %D%/show_dmvpn.c %D%/show_crypto.c %D%/show_route.c \
	%D%/show_device.c
