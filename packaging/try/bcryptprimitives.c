// Stands in for Windows' bcryptprimitives.dll beside the program, where Wine has none (before 9.0): random bytes, by what RtlGenRandom is.
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
  return SystemFunction036(data, (ULONG)size);
}
