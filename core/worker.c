// isthmus-worker: one plugin in a process of its own.
int main(void)
{
    return 0;
}
