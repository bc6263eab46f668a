core_isthmus_SOURCES += %D%/cli.c %D%/cli.h %D%/table.c %D%/help.c %D%/lab.c %D%/load.c %D%/plugin_word.c \
	%D%/validate.c %D%/run.c %D%/state.c %D%/state.h %D%/status.c
core_isthmus_SOURCES += %D%/plugin_use.c %D%/plugin_use.h %D%/plugin_run.c %D%/plugin_show.c \
	%D%/plugin_check.c %D%/plugin_new.c

# The skeleton of a plugin, as strings: `isthmus plugin new` works without any file beside it.
TEMPLATE_FILES = sdk/template/plugin.c sdk/template/Makefile sdk/template/README.md
EXTRA_DIST += $(TEMPLATE_FILES) %D%/template.awk
BUILT_SOURCES += %D%/template.inc
CLEANFILES += %D%/template.inc
%D%/template.inc: $(TEMPLATE_FILES) %D%/template.awk
	$(AM_V_GEN)$(MKDIR_P) %D% && cd $(srcdir) && $(AWK) -f %D%/template.awk $(TEMPLATE_FILES) \
		>$(abs_top_builddir)/%D%/template.tmp && \
		mv $(abs_top_builddir)/%D%/template.tmp $(abs_top_builddir)/%D%/template.inc
core_isthmus_CPPFLAGS += -Icore/cli
core/cli/isthmus-plugin_new.$(OBJEXT): core/cli/template.inc
