using Marrow.Engine.Jit;

namespace Marrow.Engine.Devices.OpenCl;

/// <summary>A built kernel and the order of its arguments.</summary>
internal sealed unsafe class OpenClKernel
{
    private readonly OpenClContext _context;
    private readonly nint _kernel;
    private readonly string _entry;
    private readonly nuint _lanes;
    private readonly KernelParameter[] _parameters;

    /// <summary>Takes the kernel that <paramref name="text"/> describes from a built program.</summary>
    /// <exception cref="Marrow.Formats.MarrowException">DV013 the program does not hold it, or the device does not allow it that many lanes.</exception>
    public OpenClKernel(OpenClContext context, nint program, KernelText text)
    {
        (_context, _entry, _lanes, _parameters) = (context, text.Entry, (nuint)text.Lanes, [.. text.Parameters]);
        _kernel = context.KernelOf(program, text.Entry);
        nuint most = 0;
        int status = context.Api.GetKernelWorkGroupInfo(_kernel, context.Device, OpenClQuery.KernelWorkGroupSize, (nuint)sizeof(nuint), &most, null);
        if (status == 0 && _lanes <= most)
            return;
        Release();
        context.Queued(status, "asking for the group size of kernel ", _entry);
        throw context.TooManyLanes(text, (long)most);
    }

    /// <summary>Sets the arguments and queues the kernel.</summary>
    /// <exception cref="Marrow.Formats.MarrowException">E901, DV010 or DV013, as the driver says.</exception>
    public void Enqueue(Device device, Grid grid, ReadOnlySpan<Arg> args)
    {
        uint index = 0;
        foreach (ref readonly KernelParameter parameter in _parameters.AsSpan())
        {
            ref readonly Arg arg = ref args[parameter.Position];
            if (!parameter.IsView)
            {
                ulong bits = arg.Bits;
                Set(index++, (nuint)parameter.Bytes, &bits);
                continue;
            }
            nint memory = 0;
            long first = 0;
            if (arg.Tensor is { } tensor)
            {
                if (tensor.Device != device)
                    throw new InvalidOperationException($"{_entry}: argument {parameter.Position} lies on {tensor.Device.Name}, the kernel runs on {device.Name}.");
                memory = tensor.Buffer.Handle;
                first = Math.DivRem(arg.ByteOffset(parameter.Bytes), parameter.Bytes, out long rest);
                if (rest != 0)
                    throw new InvalidOperationException($"{_entry}: argument {parameter.Position} starts at byte {tensor.Offset}, within an element of {parameter.Bytes}.");
            }
            Set(index++, (nuint)sizeof(nint), &memory);
            Set(index++, sizeof(long), &first);
        }
        nuint* global = stackalloc nuint[] { (nuint)grid.X * _lanes, (nuint)grid.Y, (nuint)grid.Z };
        nuint* local = stackalloc nuint[] { _lanes, 1, 1 };
        _context.Queued(_context.Api.EnqueueNDRangeKernel(_context.Queue, _kernel, 3, null, global, local, 0, null, null), "queueing kernel ", _entry);
    }

    public void Release() => _context.Api.ReleaseKernel(_kernel);

    private void Set(uint index, nuint bytes, void* value) =>
        _context.Queued(_context.Api.SetKernelArg(_kernel, index, bytes, value), "setting arguments of kernel ", _entry);
}
