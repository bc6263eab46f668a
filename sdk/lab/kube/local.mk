sdk_lab_isthmus_lab_SOURCES += %D%/kube.c %D%/kube.h
