/* Windows: see platform.h. */
#include "lib/core/numerics.h"

#include "lib/core/platform.h"

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "lib/core/error.h"

void *dit__system_allocate(size_t size, size_t alignment) { return _aligned_malloc(size, alignment); }
void dit__system_release(void *block) { _aligned_free(block); }

int64_t dit__clock(void) {
  LARGE_INTEGER frequency, now;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&now);
  return now.QuadPart / frequency.QuadPart * 1000000 + now.QuadPart % frequency.QuadPart * 1000000 / frequency.QuadPart;
}

int32_t dit__processors(void) {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  return system.dwNumberOfProcessors < 1 ? 1 : (int32_t)system.dwNumberOfProcessors;
}

/* Opens a file to read; `path` is UTF-8. */
static dit_status windows_open(const char *path, HANDLE *handle, dit_error *error) {
  const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
  if (length <= 0) return dit__fail(error, DIT_ERROR_IO, "%s: the path is not UTF-8", path);
  wchar_t *wide = (wchar_t *)malloc((size_t)length * sizeof *wide);
  if (!wide) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, length);
  *handle = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
  const DWORD code = GetLastError();
  free(wide);
  if (*handle == INVALID_HANDLE_VALUE)
    return dit__fail(error, DIT_ERROR_IO, "%s: cannot be opened (Windows error %lu)", path, code);
  return DIT_OK;
}

/* Reads file->size bytes, at most 1 GiB with each call. */
static dit_status windows_read(HANDLE handle, const char *path, const dit_options *hooks, dit__file *file,
                               dit_error *error) {
  uint8_t *block = (uint8_t *)dit__allocate(hooks, file->size, 64);
  if (!block) return dit__fail(error, DIT_ERROR_MEMORY, "%s: no memory for %zu bytes", path, file->size);
  for (size_t done = 0; done < file->size;) {
    const DWORD part = (DWORD)(file->size - done < 1u << 30 ? file->size - done : 1u << 30);
    DWORD got = 0;
    if (!ReadFile(handle, block + done, part, &got, NULL) || got == 0) {
      dit__release(hooks, block, file->size);
      return dit__fail(error, DIT_ERROR_IO, "%s: cannot be read", path);
    }
    done += got;
  }
  file->bytes = block;
  file->block = block;
  return DIT_OK;
}

static dit_status windows_map(HANDLE handle, const char *path, dit__file *file, dit_error *error) {
  HANDLE mapping = CreateFileMappingW(handle, NULL, PAGE_READONLY, 0, 0, NULL);
  file->block = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0) : NULL;
  if (mapping) CloseHandle(mapping);
  if (!file->block) return dit__fail(error, DIT_ERROR_IO, "%s: cannot be mapped", path);
  file->bytes = (const uint8_t *)file->block;
  return DIT_OK;
}

dit_status dit__file_open(const char *path, int32_t load, const dit_options *hooks, dit__file *file, dit_error *error) {
  HANDLE handle;
  LARGE_INTEGER size;
  memset(file, 0, sizeof *file);
  file->load = load;
  dit_status status = windows_open(path, &handle, error);
  if (status) return status;
  if (!GetFileSizeEx(handle, &size)) {
    status = dit__fail(error, DIT_ERROR_IO, "%s: cannot be opened (Windows error %lu)", path, GetLastError());
  } else if (size.QuadPart == 0) {
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: the file is empty", path);
  } else if ((uint64_t)size.QuadPart > SIZE_MAX) {
    status = dit__fail(error, DIT_ERROR_IO, "%s: too large for this process's address space", path);
  } else {
    file->size = (size_t)size.QuadPart;
    status =
        load == DIT_LOAD_READ ? windows_read(handle, path, hooks, file, error) : windows_map(handle, path, file, error);
  }
  CloseHandle(handle);
  return status;
}

void dit__file_close(dit__file *file, const dit_options *hooks) {
  if (file->block && file->load == DIT_LOAD_READ)
    dit__release(hooks, file->block, file->size);
  else if (file->block)
    UnmapViewOfFile(file->block);
  file->block = NULL;
}

#endif
