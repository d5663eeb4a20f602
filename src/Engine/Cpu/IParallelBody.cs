namespace Marrow.Engine.Cpu;

/// <summary>The work of one index of a parallel loop; indices run on any thread and in any order, so each must write only what is its own.</summary>
public interface IParallelBody
{
    /// <summary>Does the work of <paramref name="index"/>.</summary>
    void Run(int index);
}

/// <summary>The work of one run of indices of a parallel loop; see <see cref="WorkerPool.ForRange{TBody}"/>.</summary>
public interface IParallelRange
{
    /// <summary>Does the work of the indices from <paramref name="start"/> up to, not including, <paramref name="end"/>.</summary>
    void Run(int start, int end);
}
