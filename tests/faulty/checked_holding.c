/* A library that the loader never unmaps: it defines a unique symbol. */
__asm__(
    ".pushsection .data\n.globl perch_unique\n.type perch_unique, @gnu_unique_object\n.size perch_unique, 4\n"
    "perch_unique: .long 1\n.popsection\n");
__attribute__((visibility("default"))) int perch_holding(void);
int perch_holding(void) { return 1; }
