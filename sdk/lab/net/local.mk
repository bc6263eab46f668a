sdk_lab_isthmus_lab_SOURCES += %D%/find.c %D%/net.h %D%/policy.c %D%/policy.h %D%/reach.c
