sdk_lab_isthmus_lab_SOURCES += %D%/host.h %D%/machine.c %D%/session.c %D%/config.c %D%/answers.c
# The host's programs, a string a line.
%D%/tools.inc: %D%/tools.sh
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n",/' $(srcdir)/%D%/tools.sh >$@.new && mv $@.new $@
%D%/isthmus_lab-machine.$(OBJEXT): %D%/tools.inc
CLEANFILES += %D%/tools.inc
EXTRA_DIST += %D%/tools.sh
