// isthmus-lab: starts, asks and stops a lab.
#include "lab.h"

int main(void)
{
    return 0;
}
