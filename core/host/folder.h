// Folders of a run.
#ifndef CORE_HOST_FOLDER_H
#define CORE_HOST_FOLDER_H

// Removes a folder and all that is in it; links are removed and not followed. What cannot be removed stays.
void remove_tree(const char *path);

#endif
