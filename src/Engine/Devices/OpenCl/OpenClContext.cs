using System.Text;
using Marrow.Engine.Jit;
using Marrow.Formats;

namespace Marrow.Engine.Devices.OpenCl;

/// <summary>A context and an in-order queue on one device, the building of programs, and the driver's errors in our words.</summary>
internal sealed unsafe class OpenClContext : IDisposable
{
    private readonly string _name;
    private readonly Func<string, MarrowException> _outOfMemory;

    /// <summary>Opens the device. <paramref name="outOfMemory"/> makes the error of a device that has none left, given what happened.</summary>
    /// <exception cref="MarrowException">DV012 the driver gives no context or queue.</exception>
    public OpenClContext(OpenClFound found, string name, Func<string, MarrowException> outOfMemory)
    {
        (Api, Device, _name, _outOfMemory) = (found.Api, found.Handle, name, outOfMemory);
        nint* properties = stackalloc nint[] { (nint)OpenClQuery.ContextPlatform, found.Platform, 0 };
        nint device = Device;
        int status;
        Context = Api.CreateContext(properties, 1, &device, null, null, &status);
        if (status != 0)
            throw DeviceFaults.NotOpened(name, "making a context", OpenClStatus.Name(status));
        Queue = Api.CreateCommandQueue(Context, Device, 0, &status);
        if (status == 0)
            return;
        Api.ReleaseContext(Context);
        throw DeviceFaults.NotOpened(name, "making a queue", OpenClStatus.Name(status));
    }

    public OpenClApi Api { get; }

    public nint Device { get; }

    public nint Context { get; }

    public nint Queue { get; }

    /// <summary>True for the statuses that mean want of memory when something is made or queued.</summary>
    public static bool IsMemory(int status) =>
        status is OpenClStatus.MemObjectAllocationFailure or OpenClStatus.OutOfResources or OpenClStatus.OutOfHostMemory;

    /// <summary>Throws where queueing did not succeed. <paramref name="doing"/> and <paramref name="what"/> say what was queued.</summary>
    /// <exception cref="MarrowException">E901 no memory; DV010 the device is lost; DV013 anything else.</exception>
    public void Queued(int status, string doing, string what = "")
    {
        if (status == 0)
            return;
        string error = OpenClStatus.Name(status);
        if (IsMemory(status))
            throw _outOfMemory($"{doing}{what} failed ({error})");
        throw IsLoss(status) ? DeviceFaults.Lost(_name, doing + what, error) : DeviceFaults.Refused(_name, doing + what, error);
    }

    /// <summary>Throws where waiting did not succeed: then something that was queued earlier failed.</summary>
    /// <exception cref="MarrowException">DV010 the device failed.</exception>
    public void Waited(int status, string doing)
    {
        if (status != 0)
            throw DeviceFaults.Lost(_name, doing, OpenClStatus.Name(status));
    }

    /// <summary>The error of a kernel that needs more lanes than the device gives it.</summary>
    public MarrowException TooManyLanes(KernelText text, long most) => DeviceFaults.TooManyLanes(_name, text, most);

    /// <summary>Builds a program from text; on failure 0, the status and the compiler's log.</summary>
    public nint Build(string source, string options, out int status, out string log)
    {
        byte[] text = Encoding.UTF8.GetBytes(source);
        nuint length = (nuint)text.Length;
        int made;
        nint program;
        fixed (byte* p = text)
        {
            byte* start = p;
            program = Api.CreateProgramWithSource(Context, 1, &start, &length, &made);
        }
        (status, log) = (made, "");
        return made != 0 ? 0 : Finish(program, options, out status, out log);
    }

    /// <summary>Builds a program from a driver's binary; 0 where the driver refuses it.</summary>
    public nint Load(ReadOnlySpan<byte> binary, string options)
    {
        nint device = Device;
        nuint length = (nuint)binary.Length;
        int accepted, status;
        nint program;
        fixed (byte* p = binary)
        {
            byte* start = p;
            program = Api.CreateProgramWithBinary(Context, 1, &device, &length, &start, &accepted, &status);
        }
        if (status == 0 && accepted == 0)
            return Finish(program, options, out _, out _);
        if (program != 0)
            Api.ReleaseProgram(program);
        return 0;
    }

    /// <summary>The driver's binary of a built program; empty where it gives none.</summary>
    public byte[] BinaryOf(nint program)
    {
        nuint length = 0;
        if (Api.GetProgramInfo(program, OpenClQuery.ProgramBinarySizes, (nuint)sizeof(nuint), &length, null) != 0 || length is 0 or > int.MaxValue)
            return [];
        byte[] binary = new byte[length];
        fixed (byte* p = binary)
        {
            byte* start = p;
            return Api.GetProgramInfo(program, OpenClQuery.ProgramBinaries, (nuint)sizeof(byte*), &start, null) == 0 ? binary : [];
        }
    }

    /// <summary>The kernel <paramref name="entry"/> of a program.</summary>
    /// <exception cref="MarrowException">As <see cref="Queued"/>.</exception>
    public nint KernelOf(nint program, string entry)
    {
        int status;
        nint kernel;
        fixed (byte* name = Encoding.ASCII.GetBytes(entry + '\0'))
            kernel = Api.CreateKernel(program, name, &status);
        Queued(status, "making kernel ", entry);
        return kernel;
    }

    public void Dispose()
    {
        Api.ReleaseCommandQueue(Queue);
        Api.ReleaseContext(Context);
    }

    private nint Finish(nint program, string options, out int status, out string log)
    {
        nint device = Device;
        fixed (byte* text = Encoding.UTF8.GetBytes(options + '\0'))
            status = Api.BuildProgram(program, 1, &device, text, null, null);
        log = "";
        if (status == 0)
            return program;
        log = LogOf(program);
        Api.ReleaseProgram(program);
        return 0;
    }

    private string LogOf(nint program)
    {
        nuint length = 0;
        if (Api.GetProgramBuildInfo(program, Device, OpenClQuery.BuildLog, 0, null, &length) != 0 || length is 0 or > 1 << 24)
            return "";
        byte[] text = new byte[length];
        fixed (byte* p = text)
        {
            if (Api.GetProgramBuildInfo(program, Device, OpenClQuery.BuildLog, length, p, null) != 0)
                return "";
        }
        return Encoding.UTF8.GetString(text).TrimEnd('\0');
    }

    private static bool IsLoss(int status) => status is OpenClStatus.DeviceNotAvailable or OpenClStatus.InvalidCommandQueue or OpenClStatus.InvalidContext
        or OpenClStatus.EventFailed or OpenClStatus.NvidiaFault;
}
