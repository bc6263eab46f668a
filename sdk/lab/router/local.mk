sdk_lab_isthmus_lab_SOURCES += %D%/router.c %D%/router.h
