using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Marrow.Engine.Devices.OpenCl;

/// <summary>
/// The part of OpenCL 1.2 that is used, as function pointers into whichever loader library the machine has. Names, arguments and values are those of
/// the Khronos OpenCL 1.2 specification.
/// </summary>
internal sealed unsafe class OpenClApi
{
    /// <summary>What the loader is called on the systems that have one.</summary>
    public static readonly IReadOnlyList<string> LibraryNames =
        ["libOpenCL.so.1", "libOpenCL.so", "OpenCL.dll", "/System/Library/Frameworks/OpenCL.framework/OpenCL"];

    public readonly delegate* unmanaged<uint, nint*, uint*, int> GetPlatformIDs;
    public readonly delegate* unmanaged<nint, uint, nuint, void*, nuint*, int> GetPlatformInfo;
    public readonly delegate* unmanaged<nint, ulong, uint, nint*, uint*, int> GetDeviceIDs;
    public readonly delegate* unmanaged<nint, uint, nuint, void*, nuint*, int> GetDeviceInfo;
    public readonly delegate* unmanaged<nint*, uint, nint*, void*, void*, int*, nint> CreateContext;
    public readonly delegate* unmanaged<nint, int> ReleaseContext;
    public readonly delegate* unmanaged<nint, nint, ulong, int*, nint> CreateCommandQueue;
    public readonly delegate* unmanaged<nint, int> ReleaseCommandQueue;
    public readonly delegate* unmanaged<nint, ulong, nuint, void*, int*, nint> CreateBuffer;
    public readonly delegate* unmanaged<nint, int> ReleaseMemObject;
    public readonly delegate* unmanaged<nint, nint, uint, nuint, nuint, void*, uint, nint*, nint*, int> EnqueueReadBuffer;
    public readonly delegate* unmanaged<nint, nint, uint, nuint, nuint, void*, uint, nint*, nint*, int> EnqueueWriteBuffer;
    public readonly delegate* unmanaged<nint, nint, nint, nuint, nuint, nuint, uint, nint*, nint*, int> EnqueueCopyBuffer;
    public readonly delegate* unmanaged<nint, nint, void*, nuint, nuint, nuint, uint, nint*, nint*, int> EnqueueFillBuffer;
    public readonly delegate* unmanaged<nint, nint, uint, ulong, nuint, nuint, uint, nint*, nint*, int*, void*> EnqueueMapBuffer;
    public readonly delegate* unmanaged<nint, nint, void*, uint, nint*, nint*, int> EnqueueUnmapMemObject;
    public readonly delegate* unmanaged<nint, uint, nint*, nint*, int> EnqueueMarkerWithWaitList;
    public readonly delegate* unmanaged<uint, nint*, int> WaitForEvents;
    public readonly delegate* unmanaged<nint, uint, nuint, void*, nuint*, int> GetEventInfo;
    public readonly delegate* unmanaged<nint, int> ReleaseEvent;
    public readonly delegate* unmanaged<nint, uint, byte**, nuint*, int*, nint> CreateProgramWithSource;
    public readonly delegate* unmanaged<nint, uint, nint*, nuint*, byte**, int*, int*, nint> CreateProgramWithBinary;
    public readonly delegate* unmanaged<nint, uint, nint*, byte*, void*, void*, int> BuildProgram;
    public readonly delegate* unmanaged<nint, uint, nuint, void*, nuint*, int> GetProgramInfo;
    public readonly delegate* unmanaged<nint, nint, uint, nuint, void*, nuint*, int> GetProgramBuildInfo;
    public readonly delegate* unmanaged<nint, int> ReleaseProgram;
    public readonly delegate* unmanaged<nint, byte*, int*, nint> CreateKernel;
    public readonly delegate* unmanaged<nint, int> ReleaseKernel;
    public readonly delegate* unmanaged<nint, uint, nuint, void*, int> SetKernelArg;
    public readonly delegate* unmanaged<nint, nint, uint, nuint, void*, nuint*, int> GetKernelWorkGroupInfo;
    public readonly delegate* unmanaged<nint, nint, uint, nuint*, nuint*, nuint*, uint, nint*, nint*, int> EnqueueNDRangeKernel;
    public readonly delegate* unmanaged<nint, int> Flush;
    public readonly delegate* unmanaged<nint, int> Finish;

    private OpenClApi(Exports of)
    {
        GetPlatformIDs = (delegate* unmanaged<uint, nint*, uint*, int>)of["clGetPlatformIDs"];
        GetPlatformInfo = (delegate* unmanaged<nint, uint, nuint, void*, nuint*, int>)of["clGetPlatformInfo"];
        GetDeviceIDs = (delegate* unmanaged<nint, ulong, uint, nint*, uint*, int>)of["clGetDeviceIDs"];
        GetDeviceInfo = (delegate* unmanaged<nint, uint, nuint, void*, nuint*, int>)of["clGetDeviceInfo"];
        CreateContext = (delegate* unmanaged<nint*, uint, nint*, void*, void*, int*, nint>)of["clCreateContext"];
        ReleaseContext = (delegate* unmanaged<nint, int>)of["clReleaseContext"];
        CreateCommandQueue = (delegate* unmanaged<nint, nint, ulong, int*, nint>)of["clCreateCommandQueue"];
        ReleaseCommandQueue = (delegate* unmanaged<nint, int>)of["clReleaseCommandQueue"];
        CreateBuffer = (delegate* unmanaged<nint, ulong, nuint, void*, int*, nint>)of["clCreateBuffer"];
        ReleaseMemObject = (delegate* unmanaged<nint, int>)of["clReleaseMemObject"];
        EnqueueReadBuffer = (delegate* unmanaged<nint, nint, uint, nuint, nuint, void*, uint, nint*, nint*, int>)of["clEnqueueReadBuffer"];
        EnqueueWriteBuffer = (delegate* unmanaged<nint, nint, uint, nuint, nuint, void*, uint, nint*, nint*, int>)of["clEnqueueWriteBuffer"];
        EnqueueCopyBuffer = (delegate* unmanaged<nint, nint, nint, nuint, nuint, nuint, uint, nint*, nint*, int>)of["clEnqueueCopyBuffer"];
        EnqueueFillBuffer = (delegate* unmanaged<nint, nint, void*, nuint, nuint, nuint, uint, nint*, nint*, int>)of["clEnqueueFillBuffer"];
        EnqueueMapBuffer = (delegate* unmanaged<nint, nint, uint, ulong, nuint, nuint, uint, nint*, nint*, int*, void*>)of["clEnqueueMapBuffer"];
        EnqueueUnmapMemObject = (delegate* unmanaged<nint, nint, void*, uint, nint*, nint*, int>)of["clEnqueueUnmapMemObject"];
        EnqueueMarkerWithWaitList = (delegate* unmanaged<nint, uint, nint*, nint*, int>)of["clEnqueueMarkerWithWaitList"];
        WaitForEvents = (delegate* unmanaged<uint, nint*, int>)of["clWaitForEvents"];
        GetEventInfo = (delegate* unmanaged<nint, uint, nuint, void*, nuint*, int>)of["clGetEventInfo"];
        ReleaseEvent = (delegate* unmanaged<nint, int>)of["clReleaseEvent"];
        CreateProgramWithSource = (delegate* unmanaged<nint, uint, byte**, nuint*, int*, nint>)of["clCreateProgramWithSource"];
        CreateProgramWithBinary = (delegate* unmanaged<nint, uint, nint*, nuint*, byte**, int*, int*, nint>)of["clCreateProgramWithBinary"];
        BuildProgram = (delegate* unmanaged<nint, uint, nint*, byte*, void*, void*, int>)of["clBuildProgram"];
        GetProgramInfo = (delegate* unmanaged<nint, uint, nuint, void*, nuint*, int>)of["clGetProgramInfo"];
        GetProgramBuildInfo = (delegate* unmanaged<nint, nint, uint, nuint, void*, nuint*, int>)of["clGetProgramBuildInfo"];
        ReleaseProgram = (delegate* unmanaged<nint, int>)of["clReleaseProgram"];
        CreateKernel = (delegate* unmanaged<nint, byte*, int*, nint>)of["clCreateKernel"];
        ReleaseKernel = (delegate* unmanaged<nint, int>)of["clReleaseKernel"];
        SetKernelArg = (delegate* unmanaged<nint, uint, nuint, void*, int>)of["clSetKernelArg"];
        GetKernelWorkGroupInfo = (delegate* unmanaged<nint, nint, uint, nuint, void*, nuint*, int>)of["clGetKernelWorkGroupInfo"];
        EnqueueNDRangeKernel = (delegate* unmanaged<nint, nint, uint, nuint*, nuint*, nuint*, uint, nint*, nint*, int>)of["clEnqueueNDRangeKernel"];
        Flush = (delegate* unmanaged<nint, int>)of["clFlush"];
        Finish = (delegate* unmanaged<nint, int>)of["clFinish"];
    }

    /// <summary>Loads the first of <paramref name="names"/> that the system finds; the library stays loaded. False with the reason and remedy where there is none.</summary>
    public static bool TryLoad(IReadOnlyList<string> names, [NotNullWhen(true)] out OpenClApi? api, out string whyNot)
    {
        (api, whyNot) = (null, "");
        nint library = 0;
        string? found = names.FirstOrDefault(name => NativeLibrary.TryLoad(name, out library));
        if (found is null)
        {
            whyNot = $"no OpenCL loader library was found ({string.Join(", ", names)}): install the graphics driver, on Debian and Ubuntu also the package ocl-icd-libopencl1; "
                + "pocl-opencl-icd runs OpenCL on the processor";
            return false;
        }
        var exports = new Exports(library);
        api = new OpenClApi(exports);
        if (exports.Missing is null)
            return true;
        api = null;
        whyNot = $"the OpenCL loader {found} has no {exports.Missing}: it is older than OpenCL 1.2; update the graphics driver";
        return false;
    }

    // Looks names up and remembers one that the library lacks.
    private sealed class Exports(nint library)
    {
        public string? Missing { get; private set; }

        public nint this[string name]
        {
            get
            {
                if (!NativeLibrary.TryGetExport(library, name, out nint address))
                    Missing ??= name;
                return address;
            }
        }
    }
}
